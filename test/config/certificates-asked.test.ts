import { expect, test } from 'vitest'
import { assertCertificatesAsked } from '../../src/config/access.ts'

test('roles by certificate need clients that are asked for one', () => {
  const access = { jwt: [], certificates: [{ san: '*.ci.example.com', role: 'runner' as const }] }
  for (const tls of [undefined, 'auto' as const, { cert: 'c', key: 'k' }])
    expect(() => assertCertificatesAsked({ access, ...(tls && { tls }) })).toThrow(
      'clients are not asked for certificates',
    )
  assertCertificatesAsked({ access, tls: { client_ca: 'ca' } })
  assertCertificatesAsked({ access: 'team', tls: 'auto' })
})
