import type { Socket } from 'node:net'

/** Milliseconds in which the last bytes have to be sent. */
const farewellMs = 1_000

/** Ends a connection whose last bytes are on their way, even if the client does not take them. */
export function destroySoon(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), farewellMs)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
}
