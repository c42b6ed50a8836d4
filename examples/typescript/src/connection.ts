// A gRPC transport whose connection can be broken the way networks break it.

import { connect, type Socket } from "node:net";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

export class Connection {
  readonly transport: Transport;
  #sockets: Socket[] = [];

  /** To a server at `host:port`; it connects, and connects anew, when there is something to call. */
  constructor(address: string) {
    const { hostname, port } = new URL(`http://${address}`);
    this.transport = createGrpcTransport({
      baseUrl: `http://${address}`,
      pingIntervalMs: 30_000, // finds a connection that died without a word
      nodeOptions: { createConnection: () => this.#open(hostname, Number(port)) },
    });
  }

  /** How many connections were made so far. */
  get opened(): number {
    return this.#sockets.length;
  }

  /** Resets the TCP connection, with no goodbye to the server: what it has sent and we have not read is lost. */
  reset(): void {
    this.#sockets.at(-1)?.resetAndDestroy();
  }

  #open(host: string, port: number): Socket {
    const socket = connect(port, host);
    this.#sockets.push(socket);
    return socket;
  }
}
