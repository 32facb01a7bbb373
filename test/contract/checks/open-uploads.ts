import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { ListMultipartUploadsCommandOutput } from "@aws-sdk/client-s3";
import { answerOf, refusalOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check } from "../check.ts";
import { begin, complete, part } from "../upload-steps.ts";
import type { Upload } from "../upload-steps.ts";

const checks: readonly Check[] = [
  {
    id: "abort",
    question: "abort, then a part of the aborted upload",
    aws: "204, 404 NoSuchUpload",
    ask: async (bench) => {
      const upload = await begin(bench);
      await part(bench, upload, 1, "one");
      const aborted = await answerOf(bench.owner.send(new AbortMultipartUploadCommand(upload)));
      return `${aborted}, ${await answerOf(bench.owner.send(new UploadPartCommand({ ...upload, PartNumber: 2, Body: "two" })))}`;
    },
    otherwise: { dropZone: null, vault: "An upload that was given up may still take parts; none is ever completed." },
  },
  {
    id: "complete-aborted",
    question: "Complete of an aborted upload",
    aws: "404 NoSuchUpload",
    ask: async (bench) => {
      const upload = await begin(bench);
      const parts = [await part(bench, upload, 1, "one")];
      await bench.owner.send(new AbortMultipartUploadCommand(upload));
      return complete(bench, upload, parts);
    },
    otherwise: {
      dropZone: "An uploader can't tell that its upload was cleaned up, and reports the store's error.",
      vault: "The mover can't tell that its upload is gone, and begins the move again.",
    },
  },
  {
    id: "list-uploads",
    question: "5 open uploads listed by pages of 2: each once, with the time it was begun",
    aws: "yes",
    ask: async (bench) => {
      const Bucket = await bench.freshBucket();
      const begun = [];
      for (const Key of ["u/1", "u/2", "u/2", "u/3", "u/4"]) begun.push(await begin(bench, { Bucket, Key }));
      return listUploads(bench, Bucket, begun);
    },
    otherwise: {
      dropZone: null,
      vault: "Uploads that were given up stay: give the bucket a lifecycle rule that ends them.",
    },
  },
  {
    id: "list-parts",
    question: "parts of an open upload, with size and ETag",
    aws: "listed",
    ask: async (bench) => {
      const upload = await begin(bench);
      const { ETag } = await part(bench, upload, 3, "three");
      const { Parts } = await bench.owner.send(new ListPartsCommand(upload));
      const only = Parts?.[0];
      return Parts?.length === 1 && only?.PartNumber === 3 && only.Size === 5 && only.ETag === ETag
        ? "listed"
        : "not listed";
    },
    otherwise: { dropZone: null, vault: "An upload is begun again where its parts can't be asked for." },
  },
];

async function listUploads(bench: Bench, Bucket: string, begun: readonly Upload[]): Promise<string> {
  const found: string[] = [];
  let next: { KeyMarker?: string; UploadIdMarker?: string } = {};
  for (let page = 0; page < 20; page++) {
    let listed: ListMultipartUploadsCommandOutput;
    try {
      listed = await bench.owner.send(new ListMultipartUploadsCommand({ Bucket, MaxUploads: 2, ...next }));
    } catch (error) {
      return `page ${page + 1}: ${refusalOf(error)}`;
    }
    for (const { Key, UploadId, Initiated } of listed.Uploads ?? []) {
      if (Initiated !== undefined && Math.abs(Date.now() - Number(Initiated)) < 60_000)
        found.push(`${Key} ${UploadId}`);
    }
    if (listed.IsTruncated !== true) break;
    next = {
      ...(listed.NextKeyMarker === undefined ? {} : { KeyMarker: listed.NextKeyMarker }),
      ...(listed.NextUploadIdMarker === undefined ? {} : { UploadIdMarker: listed.NextUploadIdMarker }),
    };
  }
  const missing = begun.filter(({ Key, UploadId }) => !found.includes(`${Key} ${UploadId}`)).length;
  const twice = found.length - new Set(found).size;
  return missing + twice === 0 ? "yes" : `no: ${missing} missing, ${twice} twice`;
}

export const openUploads: Area = { title: "Unfinished uploads", checks };
