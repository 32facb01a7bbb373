/** The agent's own entry among the sets that run; no set's name begins like this. */
export const AGENT = "_agent";
