// The live connection: a WebSocket that resumes where it broke off. State events carry a gap-free seq, so after a
// reconnect the client asks for what followed the last one it saw and misses nothing.
import { api, ApiError } from "./api";
import type { ServerMessage } from "./types";

export type LinkState = "connecting" | "live" | "lost" | "signed_out";

export interface LiveHandlers {
  message(message: ServerMessage): void;
  preview(jobId: string, jpeg: Blob): void;
  state(state: LinkState): void;
}

const firstRetryMs = 250;
const longestRetryMs = 5000;

export class Live {
  private seq: number | null = null;
  private retryMs = firstRetryMs;

  constructor(private readonly handlers: LiveHandlers) {}

  /** Connects and goes on reconnecting until the session has ended. */
  async run(): Promise<void> {
    for (;;) {
      this.handlers.state("connecting");
      try {
        const { ticket } = await api.ticket();
        await this.converse(ticket);
      } catch (error) {
        if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
          this.handlers.state("signed_out");
          return;
        }
      }
      this.handlers.state("lost");
      await new Promise((wake) => setTimeout(wake, this.retryMs));
      this.retryMs = Math.min(this.retryMs * 2, longestRetryMs);
    }
  }

  private converse(ticket: string): Promise<void> {
    const url = new URL(`/api/v1/ws?ticket=${encodeURIComponent(ticket)}`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    return new Promise((ended) => {
      socket.onopen = () => {
        socket.send(JSON.stringify({ op: "subscribe", topics: ["jobs", "system"], since: this.seq }));
      };
      socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => this.receive(event.data);
      socket.onclose = () => ended();
    });
  }

  private receive(data: string | ArrayBuffer): void {
    this.retryMs = firstRetryMs;
    this.handlers.state("live");
    if (data instanceof ArrayBuffer) {
      this.handlers.preview(uuidOf(new Uint8Array(data, 0, 16)), new Blob([data.slice(16)], { type: "image/jpeg" }));
      return;
    }
    const message = JSON.parse(data) as ServerMessage;
    if (message.type === "snapshot") this.seq = message.as_of;
    if (message.type === "event") this.seq = message.seq;
    if (message.type === "reset") this.seq = null;
    this.handlers.message(message);
  }
}

function uuidOf(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
