/** Whether a caller may: IAM User Guide, "Policy evaluation logic". */
import type { Context } from "./context.ts";
import { requestConditions, type ConditionOverrides } from "./condition-keys.ts";
import { S3Error } from "./errors.ts";
import type { Bucket } from "./model.ts";
import { isPublicPolicy, matchPrincipal, matchStatement, type Statement } from "./policy.ts";

/** Throws AccessDenied unless allowed. `bucket` is undefined where the request concerns none that exists. */
export function authorize(
  context: Context,
  bucket: Bucket | undefined,
  action: string,
  resource: string,
  overrides: ConditionOverrides = {},
): void {
  if (isAllowed(context, bucket, action, resource, overrides)) return;
  const arn = context.caller.holder?.principal.arn ?? "anonymous";
  throw new S3Error("AccessDenied", `User: ${arn} is not authorized to perform: ${action} on resource: "${resource}"`);
}

const rootMayAlways = new Set(["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"]);

export function isAllowed(
  context: Context,
  bucket: Bucket | undefined,
  action: string,
  resource: string,
  overrides: ConditionOverrides = {},
): boolean {
  const { holder } = context.caller;
  const principal = holder?.principal;
  const values = requestConditions(context, bucket, overrides);
  const speaks = (statement: Statement): boolean => matchStatement(statement, action, resource, values);

  const isOwnAccount = bucket === undefined || holder?.account === bucket.account;
  const isRoot = holder !== undefined && holder.user === undefined;
  // The owner's root can always repair a bucket policy that locks everyone out.
  if (isRoot && isOwnAccount && rootMayAlways.has(action)) return true;

  const identity = holder?.user?.statements.filter(speaks) ?? [];
  const resourceBased = (bucket?.policy?.statements ?? []).filter(
    (statement) => matchPrincipal(statement, principal) !== "none" && speaks(statement),
  );
  if ([...identity, ...resourceBased].some((statement) => statement.effect === "Deny")) return false;

  const identityAllows = isRoot || identity.some((statement) => statement.effect === "Allow");
  const allows = resourceBased.filter((statement) => statement.effect === "Allow");
  if (isOwnAccount) {
    // Naming the account in its own bucket's policy leaves the decision to the identities' policies.
    return identityAllows || allows.some((statement) => matchPrincipal(statement, principal) === "direct");
  }
  const restricted =
    bucket.publicAccessBlock?.RestrictPublicBuckets === true && isPublicPolicy(bucket.policy?.statements ?? []);
  if (restricted || allows.length === 0) return false;
  return holder === undefined || identityAllows;
}
