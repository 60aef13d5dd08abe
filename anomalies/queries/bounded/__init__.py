"""Lists whose cost is bounded by the shape of the statement, whatever PostgreSQL's planner estimates.

A planner that takes a rare word for a frequent one reads the table from its newest row to its oldest to fill
a page; one that takes a frequent word for a rare one sorts half the table. Its statistics are a sample from
an earlier time, and it has none for combinations (this word in that stream). Nothing here depends on its
estimates:

- **A walk** reads a fixed number of entries of one index in the list's order and tests each row (`walks`).
  The LIMIT is inside, the test outside: no plan can read more rows. If an index answers the filter (status,
  stream, significance, time), each row read is a row shown.
- **A finder** collects through one index all rows that meet one of the filter's conditions, up to a cap
  (`finders`). Below the cap there can be no others, so the answer is exact.
- **A sample** of the table's blocks, read in the same statement, shows which finder stays below its cap, if
  any does (`finding`). It is a statistic of the present table and this very condition. A walk skips few rows
  if a condition is frequent, a finder collects few if it is rare; the sample decides between the two. If the
  sample is misleading, the bounds still hold.

Results beyond these bounds are reported as such: a page that ends before the list does gives the place at
which the search stopped (`pages.Page.edge`), and a count that is a lower bound says so (`counts.Count`).

The planner has no choice, for three reasons. A subquery with a LIMIT is planned by itself. The order of each
walked index belongs to it alone, so no other index and no sort answers it at a comparable cost. And values
come from scalar subqueries or materialised CTEs, where the planner can't see them: it then assumes constant
shares (a third of the rows for a comparison, 0.1 to 1 % for words, tags and JSON: PostgreSQL's
src/include/utils/selfuncs.h) and plans by the table's size alone.
"""
