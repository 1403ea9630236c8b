import type { View } from './view.ts'

/** Buttons for what the pointer does, and a legend of the colours. */
export function createTools(view: View): HTMLElement {
  const tools = document.createElement('p')
  tools.className = 'tools'
  tools.append(
    button('Zoom in', '+', () => view.zoom(0.5)),
    button('Zoom out', '-', () => view.zoom(2)),
    button('Earlier', undefined, () => view.move(-0.5)),
    button('Later', undefined, () => view.move(0.5)),
    button('All', '0', () => view.showAll()),
    hint(),
  )
  return tools
}

function button(text: string, key: string | undefined, act: () => void): HTMLButtonElement {
  const made = document.createElement('button')
  made.type = 'button'
  made.textContent = key === undefined ? text : `${text} (${key})`
  if (key !== undefined) made.setAttribute('aria-keyshortcuts', key)
  made.addEventListener('click', act)
  return made
}

function hint(): HTMLElement {
  const made = document.createElement('span')
  made.className = 'soft'
  made.textContent =
    'Drag over a part to see it larger; click an action to open it. A line below marks the critical path.'
  return made
}
