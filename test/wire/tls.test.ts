import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startShoal } from "../helpers/shoal.ts";

/** Makes a certificate for 127.0.0.1, and its key. */
function makeCertificate(cert: string, key: string): void {
  const command =
    "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 " +
    "-addext subjectAltName=IP:127.0.0.1";
  const made = Bun.spawnSync([...command.split(" "), "-keyout", key, "-out", cert]);
  expect(made.exitCode).toBe(0);
}

test("with TLS_CERT and TLS_KEY, serves https and wss", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-tls-"));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  makeCertificate(cert, key);
  const shoal = await startShoal({ env: { TLS_CERT: cert, TLS_KEY: key } });
  expect(shoal.http).toStartWith("https://");
  const tls = { ca: await Bun.file(cert).text() };
  const health = await fetch(`${shoal.http}/-/health`, { tls });
  expect(health.status).toBe(200);
  const plain = await fetch(`${shoal.http}/a`, { tls });
  expect(await plain.text()).toContain(`wss://${new URL(shoal.http).host}/a`);
  const socket = new WebSocket(`${shoal.ws}/a`, { tls } as never);
  const frame = await new Promise((done) => (socket.onmessage = ({ data }) => done(data)));
  expect(frame).toBe('{"type":"connection","id":"a"}');
  socket.close();
  await shoal.end();
  rmSync(folder, { recursive: true });
});
