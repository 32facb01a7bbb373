import { crashAround } from "./crash.ts";

crashAround({ versioned: true, kind: "small", count: 3 });
crashAround({ versioned: true, kind: "large", count: 7 });
