/** The policies whose effect the suite measures: Airlock's own, as `init` prints them, for stores on loopback without TLS. */
import * as airlock from "../../shared/policies.ts";
import type { PolicyDocument, PolicyStatement } from "../servers/server.ts";

const secureTransport = false;

export function hostPolicy(bucket: string, host: string): PolicyDocument {
  return airlock.hostPolicy({ bucket, host, secureTransport });
}

export function drainPolicy(bucket: string, versioned = true): PolicyDocument {
  return airlock.moverDropZonePolicy({ bucket, versioned, secureTransport });
}

export function storePolicy(bucket: string): PolicyDocument {
  return airlock.moverVaultPolicy({ bucket, verify: "checksum", secureTransport });
}

export function readPolicy(bucket: string): PolicyDocument {
  return airlock.operatorPolicy({ bucket, secureTransport });
}

/** Whoever uploads by other means than Airlock: may write below a prefix, and write over what is there. */
export function foreignPolicy(bucket: string, prefix: string): PolicyDocument {
  return allow({ Action: "s3:PutObject", Resource: `arn:aws:s3:::${bucket}/${prefix}/*` });
}

/** Allows what an IAM that looks at conditions would not. */
export function neverPolicy(bucket: string, prefix: string): PolicyDocument {
  return allow({
    Action: "s3:PutObject",
    Resource: `arn:aws:s3:::${bucket}/${prefix}/*`,
    Condition: { IpAddress: { "aws:SourceIp": "192.0.2.0/24" } },
  });
}

function allow(statement: Omit<PolicyStatement, "Effect">): PolicyDocument {
  return { Version: "2012-10-17", Statement: [{ Effect: "Allow", ...statement }] };
}
