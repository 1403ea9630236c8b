import { expect, it } from 'vitest'
import { isHere } from '../../../../src/cluster/kind/nodes/publish.ts'

const interfaceAt = (address: string) => ({
  address,
  netmask: '255.255.0.0',
  family: 'IPv4' as const,
  mac: '00:00:00:00:00:00',
  internal: false,
  cidr: `${address}/16`,
})

it("takes docker for this machine's own where the network's gateway is an interface here", () => {
  const interfaces = { lo: [interfaceAt('127.0.0.1')], 'br-1': [interfaceAt('172.20.0.1')] }
  expect(isHere({ gateway: '172.20.0.1' }, interfaces)).toBe(true)
  expect(isHere({ gateway: '172.21.0.1' }, interfaces)).toBe(false)
  expect(isHere({ gateway: undefined }, interfaces)).toBe(false)
})
