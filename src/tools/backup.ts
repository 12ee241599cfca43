import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { copyTo } from "../broker/sqlite/database.ts";
import { damagesOf, isSevere } from "./check.ts";
import { openToRead, count, type Fault, size, type Task } from "./task.ts";

/** `shoal backup FILE`: copies the database as it is at one moment, and checks the copy. */
export async function backUp({ path, operand: file, write }: Task): Promise<Fault | undefined> {
  const failed = (reason: string): Fault => ({ status: 1, reason: `No backup: ${reason}.` });
  if (existsSync(file)) return failed(`${file} exists already`);
  using database = openToRead(path);
  // Only a whole copy gets the name.
  const part = `${file}.part`;
  try {
    copyTo(database, part);
    const { damage, contents } = inspect(part);
    if (damage !== undefined) return failed(`the copy is damaged, ${damage}`);
    renameSync(part, file);
    await write(`${file} is a checked copy of ${path}: ${contents}\n`);
    return undefined;
  } catch (error) {
    return failed((error as Error).message);
  } finally {
    rmSync(part, { force: true });
  }
}

function inspect(file: string): { damage: string | undefined; contents: string } {
  using copy = openToRead(file);
  const { channels, messages } = copy
    .query<{ channels: number; messages: number }, []>(
      "SELECT count(*) AS channels, coalesce(sum(kept), 0) AS messages FROM channels",
    )
    .get()!;
  const contents = [
    size(statSync(file).size),
    count(channels, "channel"),
    count(messages, "message"),
  ];
  return { damage: damagesOf(copy).find(isSevere), contents: contents.join(", ") };
}
