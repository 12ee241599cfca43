import { clockContract } from "./clock.ts";
import { historyContract } from "./history.ts";
import { messagesContract } from "./messages.ts";
import { namesContract } from "./names.ts";
import { orderContract } from "./order.ts";
import { pagesContract } from "./pages.ts";
import { harnessOf, type OpenStore } from "./port.ts";
import { removalContract } from "./removal.ts";
import { searchContract } from "./search.ts";

/** What every broker promises. Each implementation runs this suite on a store of its own. */
export function brokerContract(kind: string, open: OpenStore): void {
  const harness = harnessOf(kind, open);
  messagesContract(harness);
  historyContract(harness);
  pagesContract(harness);
  removalContract(harness);
  searchContract(harness);
  namesContract(harness);
  orderContract(harness);
  clockContract(harness);
}
