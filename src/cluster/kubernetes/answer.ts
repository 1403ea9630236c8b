/**
 * An answer of the API from its JSON. A member that is null is left out, wherever it stands: to whoever reads, both mean the same,
 * and the API's servers write null for a list that they have not filled yet (the conditions of a definition that is a moment
 * old). What this returns is not for sending back: a field that is declared nullable may keep its null.
 * Source: Kubernetes API conventions, "Optional vs. Required" and "Nullable".
 * @throws SyntaxError for what is not JSON
 */
export function parseAnswer(text: string): unknown {
  return JSON.parse(text, function (this: unknown, _key, value: unknown) {
    return value === null && !Array.isArray(this) ? undefined : value
  })
}
