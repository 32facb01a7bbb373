import { crashAround } from "./crash.ts";

crashAround({ versioned: false, kind: "small", count: 3 });
// until it is recorded, nothing of an upload depends on the drop-zone's versions
crashAround({ versioned: false, kind: "large", count: 7, only: /^(PutObject|Delete)/ });
