/** Charts as SVG, readable on light and dark pages. */

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface Line {
  readonly label: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

const WIDTH = 720;
const LEFT = 180;
const RIGHT = 90;
const ROW = 26;
const COLOURS = ["#888888", "#2a7de1", "#e1742a", "#3a9d5d"];
const STYLE =
  "<style>text{font:13px system-ui,sans-serif;fill:#666}.title{font-weight:600}" +
  "@media(prefers-color-scheme:dark){text{fill:#bbb}}</style>";

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function svg(height: number, title: string, body: string): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">` +
    `<title>${escape(title)}</title>${STYLE}` +
    `<text class="title" x="8" y="18">${escape(title)}</text>${body}</svg>\n`
  );
}

/** @param shown how a value is written */
export function barChart(
  title: string,
  bars: readonly Bar[],
  shown: (value: number) => string,
): string {
  const most = Math.max(...bars.map(({ high }) => high));
  const scale = (value: number) => (value / most) * (WIDTH - LEFT - RIGHT);
  const rows = bars.map(({ label, value, low, high }, index) => {
    const y = 34 + index * ROW;
    const middle = y + 9;
    return (
      `<text x="${LEFT - 8}" y="${y + 14}" text-anchor="end">${escape(label)}</text>` +
      `<rect x="${LEFT}" y="${y}" width="${scale(value).toFixed(1)}" height="18" ` +
      `fill="${COLOURS[label.startsWith("bare") ? 0 : 1]}"/>` +
      `<path d="M${(LEFT + scale(low)).toFixed(1)} ${middle}H${(LEFT + scale(high)).toFixed(1)}" ` +
      `stroke="#d33" stroke-width="2"/>` +
      `<text x="${(LEFT + scale(high) + 6).toFixed(1)}" y="${y + 14}">${shown(value)}</text>`
    );
  });
  return svg(44 + bars.length * ROW, title, rows.join(""));
}

const PLOT = { left: 70, top: 54, width: 500, height: 240 };

/** Both axes are logarithmic, so that a cost that does not grow is level; an x of 0 stands at 1. */
export function lineChart(title: string, lines: readonly Line[], unit: string): string {
  const points = lines.flatMap((line) => line.points);
  const place = (x: number) => Math.log10(Math.max(x, 1));
  const left = Math.min(...points.map(({ x }) => place(x)));
  const right = Math.max(...points.map(({ x }) => place(x)));
  const bottom = Math.floor(Math.log10(Math.min(...points.map(({ y }) => y))));
  const top = Math.ceil(Math.log10(Math.max(...points.map(({ y }) => y))));
  const atX = (x: number) => PLOT.left + ((place(x) - left) / (right - left || 1)) * PLOT.width;
  const atY = (y: number) =>
    PLOT.top + PLOT.height - ((Math.log10(y) - bottom) / (top - bottom || 1)) * PLOT.height;

  const grid: string[] = [];
  for (let power = bottom; power <= top; power++) {
    const y = atY(10 ** power).toFixed(1);
    grid.push(`<path d="M${PLOT.left} ${y}h${PLOT.width}" stroke="#8886"/>`);
    grid.push(`<text x="${PLOT.left - 8}" y="${y}" text-anchor="end">${10 ** power}</text>`);
  }
  for (const x of new Set(points.map((point) => point.x))) {
    const label = x.toLocaleString("en");
    const y = PLOT.top + PLOT.height + 20;
    grid.push(`<text x="${atX(x).toFixed(1)}" y="${y}" text-anchor="middle">${label}</text>`);
  }
  const drawn = lines.map(({ label, points: own }, index) => {
    const colour = COLOURS[index % COLOURS.length]!;
    const path = own.map(({ x, y }) => `${atX(x).toFixed(1)},${atY(y).toFixed(1)}`).join(" ");
    const y = PLOT.top + 14 + index * 20;
    return (
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>` +
      `<text x="${PLOT.left + PLOT.width + 12}" y="${y}" style="fill:${colour}">${escape(label)}</text>`
    );
  });
  const height = PLOT.top + PLOT.height + 34;
  const axis = `<text x="8" y="38">${escape(unit)}</text>`;
  return svg(height, title, axis + grid.join("") + drawn.join(""));
}
