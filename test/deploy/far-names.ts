/** What the far side and the box have to agree on. */
export const STORE_NAMES = { v4: "s3-v4.airlock.test", v6: "s3-v6.airlock.test" };
export const RANGES_NAME = "ranges.airlock.test";
/** Where a taken box might try to get out; something listens on all of them. */
export const OTHER_TCP = [22, 25, 80, 8443, 50_000];
/** Time, and what is not time. */
export const OTHER_UDP = [123, 443, 1194];
