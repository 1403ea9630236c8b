import { expect, it } from 'vitest'
import type { SignerRule } from '../../src/trust/policy.ts'
import { ask, keyRule } from './fixture/asking.ts'
import { deployment, emptyRepository, goodBundle, goodSimple, keys, repository, signer } from './fixture/attack.ts'
import type { Attachable } from './fixture/repository.ts'
import { asBundle, asLayer, bundleOf, signSimple, signStatement, simplePayload, statement } from './fixture/signing.ts'

// Whatever stands in the place of a part of a good signature, the answer is a verdict: an exception would keep the
// signatures beside it from being judged, and end the program.

type Json = null | number | string | Json[] | { [key: string]: Json }
const rubbish: Json[] = [
  null,
  0,
  -1,
  1e300,
  '',
  'x',
  '!',
  'AA==',
  'MAA=',
  '8900000000000',
  '\ufeff',
  {},
  [],
  [null],
  [{}],
]

/** Every document that has rubbish in the place of one value. */
function* spoiled(value: Json): Generator<Json> {
  yield* rubbish
  if (Array.isArray(value))
    for (const [at, each] of value.entries()) for (const other of spoiled(each)) yield value.with(at, other)
  else if (typeof value === 'object' && value !== null)
    for (const [key, each] of Object.entries(value)) for (const other of spoiled(each)) yield { ...value, [key]: other }
}

/** Bytes with one bit of every so many bytes flipped. */
function* flipped(bytes: Buffer, step: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += step) {
    const copy = Buffer.from(bytes)
    copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8))
    yield copy
  }
}

/** What is said of it where the identity is wanted, and where the key is. */
async function judged(layer: Attachable): Promise<string> {
  emptyRepository()
  if (layer.annotations) repository.tag([layer])
  else repository.refer([layer])
  const asked = (rule: SignerRule) => ask(repository.source, deployment.root, [rule], { logRequired: false })
  return `${(await asked(signer)).answer} ${(await asked(keyRule(keys.publicKey))).answer}`
}

const answers = /^((verified|unsigned|wrong-identity|tampered|expired) ?){2}$/

it('in a bundle', async () => {
  const { signed, certificate, entry } = await goodBundle()
  const timestamp = await deployment.stamp(signed.signature)
  const bundle = JSON.parse(JSON.stringify(bundleOf({ ...signed, certificate, entry, timestamp }))) as Json
  expect(await judged(asBundle(bundle as object))).toBe('verified verified')
  let count = 0
  for (const each of spoiled(bundle)) {
    count += 1
    expect(await judged(asBundle(each as object))).toMatch(answers)
  }
  expect(count).toBeGreaterThan(300)
})

it('in the annotations of the first form, and in what these hold', async () => {
  const { certificate } = await goodBundle()
  const signed = await goodSimple()
  const layer = asLayer({ ...signed, certificate, timestamp: await deployment.stamp(signed.signature) })
  expect(await judged(layer)).toBe('verified verified')
  for (const [key, text] of Object.entries(layer.annotations ?? {})) {
    const held = text.startsWith('{') ? [...spoiled(JSON.parse(text) as Json)].map((each) => JSON.stringify(each)) : []
    for (const each of [...held, ...rubbish.map(String)])
      expect(await judged({ ...layer, annotations: { ...layer.annotations, [key]: each } })).toMatch(answers)
  }
})

it('in what is signed', async () => {
  const read = (payload: Buffer): Json => JSON.parse(payload.toString()) as Json
  const written = (each: Json) => Buffer.from(JSON.stringify(each))
  const answer = async (layer: Attachable) => (await judged(layer)).split(' ')[1]
  for (const each of spoiled(read(statement(repository.digest, undefined, { env: 'prod' }))))
    expect(await answer(asBundle(bundleOf(signStatement(written(each), keys.privateKey))))).toMatch(/^[a-z-]+$/)
  for (const each of spoiled(read(simplePayload(repository.digest, { env: 'prod' }))))
    expect(await answer(asLayer(signSimple(written(each), keys.privateKey)))).toMatch(/^[a-z-]+$/)
})

it('in a certificate, a timestamp, and what a log keeps', async () => {
  const { bundle, signed, certificate } = await goodBundle()
  const timestamp = await deployment.stamp(signed.signature)
  const [entry] = bundle.verificationMaterial.tlogEntries
  if (!entry) throw new Error('the bundle has no entry')
  const text = (bytes: Buffer) => bytes.toString('base64')
  const put = (material: object) =>
    judged(asBundle({ ...bundle, verificationMaterial: { ...bundle.verificationMaterial, ...material } }))
  for (const each of flipped(certificate, 3))
    expect(await put({ certificate: { rawBytes: text(each) } })).toMatch(answers)
  for (const each of flipped(timestamp, 3))
    expect(await put({ timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp: text(each) }] } })).toMatch(
      answers,
    )
  for (const each of flipped(Buffer.from(entry.canonicalizedBody, 'base64'), 11))
    expect(await put({ tlogEntries: [{ ...entry, canonicalizedBody: text(each) }] })).toMatch(answers)
})
