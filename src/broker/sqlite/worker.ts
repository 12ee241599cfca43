import { Database } from "bun:sqlite";
import { open, type OpenDatabase, read, reasonOf } from "./database.ts";
import type { Order, Reply } from "./orders.ts";
import { answer, type Answered, type Unreadable } from "./read.ts";
import { expireOnce, write } from "./transactions.ts";

/**
 * The threads of the database, so that the event loop never waits for a disk. One writes, the other
 * reads. Each answers every order with one reply, in turn.
 */

declare const self: Worker;

class Thread {
  #opened: OpenDatabase | undefined;
  #reading: Database | undefined;

  obey(order: Order): Reply {
    switch (order.do) {
      case "open": {
        const opened = (this.#opened = open(order.path, order.now));
        const { shares, shared, migrated, failure, database } = opened;
        const contents = read(database, order.now);
        return { done: "open", contents, shares, shared, migrated, failure };
      }
      case "read":
        return { done: "read", found: this.#read(order) };
      case "write":
        return write(this.#opened!, order);
      case "expire":
        return expireOnce(this.#opened!, order);
      case "close":
        if (this.#opened === undefined) this.#reading?.close();
        this.#opened?.database.close();
        this.#opened?.lock.close();
        return { done: "close" };
    }
  }

  #read({ path, question }: Order & { do: "read" }): Answered | Unreadable {
    try {
      this.#reading ??=
        this.#opened?.database ?? new Database(path, { readonly: true, strict: true });
      return answer(this.#reading, question);
    } catch (error) {
      return { failed: reasonOf(error) };
    }
  }
}

function serve(): void {
  const thread = new Thread();
  self.onmessage = ({ data }: MessageEvent<Order>) => {
    let reply: Reply;
    try {
      reply = thread.obey(data);
    } catch (error) {
      reply = { done: "refused", reason: reasonOf(error) };
    }
    postMessage(reply);
  };
}

if (!Bun.isMainThread) serve();
