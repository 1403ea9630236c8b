/** Claims of a GitHub workflow's token that Fulcio writes into its certificates, as raw strings. */
export const workflowOids = {
  trigger: '1.3.6.1.4.1.57264.1.2',
  sha: '1.3.6.1.4.1.57264.1.3',
  name: '1.3.6.1.4.1.57264.1.4',
  repository: '1.3.6.1.4.1.57264.1.5',
  ref: '1.3.6.1.4.1.57264.1.6',
} as const

export type WorkflowClaim = keyof typeof workflowOids
export const workflowClaims = Object.keys(workflowOids) as WorkflowClaim[]
