import { Database } from "bun:sqlite";
import { open, type OpenDatabase, read, reasonOf } from "./database.ts";
import type { Order, Reply } from "./orders.ts";
import { answer } from "./read.ts";
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
        const { shared, migrated, failure, database } = opened;
        const contents = read(database, order.now);
        return { done: "open", contents, shared, migrated, failure };
      }
      case "read":
        this.#reading ??= new Database(order.path, { readonly: true, strict: true });
        return { done: "read", found: answer(this.#reading, order.question) };
      case "write":
        return write(this.#opened!, order);
      case "expire":
        return expireOnce(this.#opened!, order);
      case "close":
        this.#reading?.close();
        this.#opened?.database.close();
        this.#opened?.lock.close();
        return { done: "close" };
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
