import { driverContract } from '../contract/driver.ts'
import { createProcessPlace } from '../fixture/process-cluster.ts'

driverContract('process', () => createProcessPlace())
