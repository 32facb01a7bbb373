import { html, type Html } from "./html.ts";

export interface PageColumn {
  readonly header: string;
  /** `row`: the row's own heading. `number`: right-aligned. `time`: never broken. Default: text. */
  readonly kind?: "row" | "number" | "time" | "text";
}

type Cell = Html | string | number;

/** A longer one is folded away at first, except on paper. */
const ROWS_UNFOLDED = 12;

export function foldedTable(...table: Parameters<typeof tableOf>): Html {
  const [caption, , rows] = table;
  if (rows.length <= ROWS_UNFOLDED) return tableOf(...table);
  return html`<details>
    <summary>${caption}: ${rows.length} lines</summary>
    ${tableOf(...table)}
  </details>`;
}

/** A table; on a phone each row is a block. Where it is too wide nevertheless it scrolls by itself, also by the keyboard. */
export function tableOf(caption: string, columns: readonly PageColumn[], rows: readonly (readonly Cell[])[]): Html {
  const head = columns.map(
    ({ header, kind = "text" }) => html`<th role="columnheader" scope="col" class="${kind}">${header}</th>`,
  );
  const body = rows.map(
    (row) =>
      html`<tr role="row">
        ${columns.map((column, index) => cellOf(column, row[index] ?? ""))}
      </tr> `,
  );
  // The roles stay when the style lays rows out as blocks, which takes a table's own away.
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${caption}">
    <table role="table">
      <caption>
        ${caption}
      </caption>
      <thead role="rowgroup">
        <tr role="row">
          ${head}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${body}
      </tbody>
    </table>
  </div>`;
}

function cellOf({ header, kind = "text" }: PageColumn, cell: Cell): Html {
  if (kind === "row") return html`<th role="rowheader" scope="row">${cell}</th>`;
  return html`<td role="cell" class="${kind}" data-label="${header}"><div>${cell}</div></td>`;
}
