/**
 * What to do with the next message, by the chain that ids and prevs make.
 *
 * @param last the id of the last message that was delivered; 0 before any
 */
export function judge(
  last: number,
  message: { readonly id: number; readonly prev: number },
): "deliver" | "double" | "gap" {
  if (message.id <= last) return "double";
  return message.prev === last ? "deliver" : "gap";
}
