import { offerCopies, startCopies } from './copies.ts'
import { startKeys } from './keys.ts'
import { startLive } from './live.ts'
import { offerSorting, startSorting } from './sorting.ts'
import { startTimeline } from './timeline/start.ts'
import { startTimes } from './times.ts'

/** Adds what the script provides to a page. Parts that have it already stay as they are. */
function furnish(root: ParentNode): void {
  offerSorting(root)
  offerCopies(root)
}

document.documentElement.dataset['scripted'] = ''
furnish(document)
startSorting()
startCopies()
startKeys()
startTimes()
const timeline = startTimeline()
startLive({ furnish, changed: timeline.look })
