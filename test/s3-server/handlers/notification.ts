import { receiveText } from "../body.ts";
import { bucketOf, header, type Context, type Reply } from "../context.ts";
import { S3Error } from "../errors.ts";
import type { QueueTarget } from "../model.ts";
import { emptyReply, xmlReply } from "../reply.ts";
import { malformedXml, parseXml, xmlDocument, type XmlNode } from "../xml.ts";

export function getBucketNotification(context: Context): Reply {
  const { notifications } = bucketOf(context);
  return xmlReply(notifications?.text ?? xmlDocument("NotificationConfiguration", ""));
}

export async function putBucketNotification(context: Context): Promise<Reply> {
  const text = await receiveText(context);
  const document = parseXml(text, "NotificationConfiguration");
  for (const other of ["TopicConfiguration", "CloudFunctionConfiguration", "EventBridgeConfiguration"]) {
    if (document.child(other) !== undefined) {
      throw new S3Error("NotImplemented", `This server sends events to queues only, not by ${other}.`);
    }
  }
  const targets = document.children("QueueConfiguration").map(parseTarget);
  const { queues } = context.world;
  for (const { queueArn } of targets) {
    if (queues.find(queueArn) === undefined && header(context, "x-amz-skip-destination-validation") !== "true") {
      throw new S3Error("InvalidArgument", "Unable to validate the following destination configurations", {
        ArgumentName: queueArn,
        ArgumentValue: "The destination queue does not exist",
      });
    }
  }
  await context.beforeEffect();
  const bucket = bucketOf(context);
  bucket.notifications = { text, targets };
  const test = JSON.stringify({
    Service: "Amazon S3",
    Event: "s3:TestEvent",
    Time: new Date(context.world.clock()).toISOString(),
    Bucket: bucket.name,
    RequestId: context.requestId,
    HostId: "s3-server",
  });
  for (const { queueArn } of targets) queues.send(queueArn, test);
  return emptyReply();
}

function parseTarget(node: XmlNode, index: number): QueueTarget {
  const queueArn = node.value("Queue");
  const events = node.children("Event").map((event) => event.text);
  if (queueArn === undefined || events.length === 0) throw malformedXml();
  for (const event of events) {
    if (
      !/^s3:(ObjectCreated|ObjectRemoved):(\*|Put|Post|Copy|CompleteMultipartUpload|Delete|DeleteMarkerCreated)$/.test(
        event,
      )
    ) {
      throw new S3Error("InvalidArgument", "The event is not supported for notifications", {
        ArgumentName: "Event",
        ArgumentValue: event,
      });
    }
  }
  const rules = node.child("Filter")?.child("S3Key")?.children("FilterRule") ?? [];
  const rule = (name: string): string =>
    rules.find((candidate) => candidate.value("Name")?.toLowerCase() === name)?.value("Value") ?? "";
  return {
    id: node.value("Id") ?? `queue-${index + 1}`,
    queueArn,
    events,
    prefix: rule("prefix"),
    suffix: rule("suffix"),
  };
}
