import {
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import type { Area, Check } from "../check.ts";
import { DENIED, cannotWork, roleCheck, unbounded } from "../role-check.ts";

const checks: readonly Check[] = [
  roleCheck(
    "drain",
    "list",
    "listing",
    "200",
    ({ client, at }) => client.send(new ListObjectsV2Command({ Bucket: at.Bucket, MaxKeys: 1 })),
    cannotWork,
  ),
  roleCheck(
    "drain",
    "list-versions",
    "listing of versions",
    "200",
    ({ client, at }) => client.send(new ListObjectVersionsCommand({ Bucket: at.Bucket, MaxKeys: 1 })),
    cannotWork,
  ),
  roleCheck(
    "drain",
    "list-uploads",
    "listing of uploads",
    "200",
    ({ client, at }) => client.send(new ListMultipartUploadsCommand({ Bucket: at.Bucket })),
    cannotWork,
  ),
  roleCheck(
    "drain",
    "get",
    "GET of a version",
    "200",
    ({ client, at, VersionId }) => client.send(new GetObjectCommand({ ...at, VersionId })),
    cannotWork,
  ),
  roleCheck(
    "drain",
    "tags",
    "reading a version's tags",
    "200",
    ({ client, at, VersionId }) => client.send(new GetObjectTaggingCommand({ ...at, VersionId })),
    cannotWork,
  ),
  roleCheck(
    "drain",
    "delete",
    "DELETE of a version",
    "204",
    ({ client, at, VersionId }) => client.send(new DeleteObjectCommand({ ...at, VersionId })),
    cannotWork,
  ),
  roleCheck(
    "drain",
    "put",
    "PUT of a host's object",
    DENIED,
    ({ client, at }) => client.send(new PutObjectCommand({ ...at, Body: "x" })),
    unbounded,
  ),
];

export const moverDropZoneKey: Area = { title: "The mover's key in the drop-zone", checks };
