CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;
CREATE TABLE `odd ``names```(
  id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100) COLLATE utf8mb4_bin, amount DECIMAL(20, 10), data LONGBLOB,
  moment DATETIME(6), bits BIT(9), kind ENUM('a', 'ü''b'), flags SET('x', 'y'), doc JSON, place POINT,
  doubled DECIMAL(22, 10) AS (amount * 2) STORED, UNIQUE (name)
);
INSERT INTO `odd ``names```(name, amount, data, moment, bits, kind, flags, doc, place)
SELECT CONCAT('name ', seq), seq / 7, UNHEX(SHA2(seq, 512)), '1970-01-01 00:00:01.000001' + INTERVAL seq HOUR,
  b'101010101', 'ü''b', 'x,y', JSON_OBJECT('n', seq), POINT(seq, -seq) FROM seq_1_to_20000;
INSERT INTO `odd ``names```(name) VALUES (NULL);
CREATE TABLE log (id INT, note TEXT);
CREATE TRIGGER upper_note BEFORE INSERT ON log FOR EACH ROW SET NEW.note = UPPER(NEW.note);
INSERT INTO log VALUES (1, 'line\nfeed, "quote", \\ and ü');
CREATE VIEW large AS SELECT name, amount FROM `odd ``names``` WHERE amount > 100;
CREATE PROCEDURE add_note(n TEXT) INSERT INTO log VALUES (2, n);
CREATE FUNCTION half(a DECIMAL(20, 10)) RETURNS DECIMAL(20, 10) DETERMINISTIC RETURN a / 2;
CREATE EVENT clean ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM log WHERE id > 1000;
