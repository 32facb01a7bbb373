import { GetObjectCommand, GetObjectTaggingCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import type { Area, Check } from "../check.ts";

const noTags = { dropZone: "Tags are not in the ledger.", vault: null };

const checks: readonly Check[] = [
  {
    id: "tags",
    question: "tags given with a PUT, read back by version",
    aws: "kept",
    ask: async (bench) => {
      const at = { Bucket: await bench.bucket("versioned"), Key: bench.freshKey() };
      const { VersionId } = await bench.owner.send(
        new PutObjectCommand({ ...at, Body: "x", Tagging: "kind=nightly%20dump&n=1" }),
      );
      const { TagSet = [] } = await bench.owner.send(new GetObjectTaggingCommand({ ...at, VersionId }));
      const text = TagSet.map(({ Key, Value }) => `${Key}=${Value}`)
        .toSorted()
        .join();
      return text === "kind=nightly dump,n=1" ? "kept" : "lost";
    },
    otherwise: noTags,
  },
  {
    id: "tag-count",
    question: "`x-amz-tagging-count` of a GET",
    aws: "2",
    ask: async (bench) => {
      const at = { Bucket: await bench.bucket("versioned"), Key: bench.freshKey() };
      await bench.owner.send(new PutObjectCommand({ ...at, Body: "x", Tagging: "a=1&b=2" }));
      const { TagCount } = await bench.owner.send(new GetObjectCommand(at));
      return TagCount === undefined ? "none" : String(TagCount);
    },
    otherwise: {
      dropZone: "Tags are asked for only where a GET says that there are some: they are not in the ledger.",
      vault: null,
    },
  },
];

export const tagging: Area = { title: "Tags", checks };
