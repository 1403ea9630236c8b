import { openChannel } from '../../src/wire/channel.ts'
import { listen } from '../../src/wire/server.ts'
import { transportSuite } from './transport-suite.ts'

transportSuite('over the network', async (services) => {
  const server = await listen(services, { address: '127.0.0.1:0' })
  const channel = openChannel(`grpc://${server.address}`)
  return {
    channel,
    async close() {
      channel.close()
      await server.close()
    },
  }
})
