/** Bar charts as SVG, readable on light and on dark pages. */

/** One bar. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What stands behind the bar. */
  readonly text: string;
}

/** One chart of horizontal bars; longer is more. */
export interface Plot {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 760;
const LABELS = 220;
const VALUES = 130;
const ROW = 24;
const BAR = 16;
const TOP = 34;

/** Bars of framewire stand out. */
const isOurs = ({ label }: Bar) => label.includes("framewire");

/**
 * Draws a chart. Bars beyond twice our longest are cut, with a gap near their end, so that the others can be told apart.
 */
export function drawPlot({ title, bars }: Plot): string {
  const longest = Math.max(...bars.map(({ value }) => value));
  const ours = Math.max(0, ...bars.filter(isOurs).map(({ value }) => value));
  const axis = ours === 0 ? longest : Math.min(longest, 2 * Math.max(ours, longest / 20));
  const room = WIDTH - LABELS - VALUES;
  const height = TOP + bars.length * ROW + 6;
  const rows = bars.map((bar, i) => {
    const y = TOP + i * ROW;
    const width = Math.max(1, Math.round((Math.min(bar.value, axis) / axis) * room));
    const cut = bar.value > axis * 1.001;
    const middle = y + BAR - 4;
    return [
      `<text class="label" x="${LABELS - 8}" y="${middle}">${escaped(bar.label)}</text>`,
      `<rect class="${isOurs(bar) ? "ours" : "peer"}" x="${LABELS}" y="${y}" width="${cut ? width - 22 : width}" height="${BAR}" rx="2"/>`,
      ...(cut ? [`<rect class="peer" x="${LABELS + width - 16}" y="${y}" width="16" height="${BAR}" rx="2"/>`] : []),
      `<text class="value" x="${LABELS + width + 6}" y="${middle}">${escaped(bar.text)}</text>`,
    ].join("\n  ");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
  <title>${escaped(title)}</title>
  <style>
    text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #57606a; }
    .heading { font-weight: 600; font-size: 13px; }
    .label { text-anchor: end; }
    .peer { fill: #8c959f; }
    .ours { fill: #1f7a5c; }
    @media (prefers-color-scheme: dark) {
      text { fill: #b1bac4; }
      .peer { fill: #6e7681; }
      .ours { fill: #3fb68b; }
    }
  </style>
  <text class="heading" x="0" y="16">${escaped(title)}</text>
  ${rows.join("\n  ")}
</svg>
`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
