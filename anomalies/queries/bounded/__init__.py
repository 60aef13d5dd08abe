"""Lists whose cost the shape of the statement bounds, whatever PostgreSQL's planner expects.

A planner that takes a rare word for a frequent one reads the table from its newest row to its oldest to fill
a page; one that takes a frequent word for a rare one sorts half the table. Its statistics are a sample of
another moment, and of combinations (this word in that stream) it has none. So nothing here is left to its
estimate:

- **A walk** reads so many entries of one index in the list's order, and tests each row (`walks`). The LIMIT
  is inside, the test outside: no plan can look at more rows. Where the filter is one that an index answers
  (status, stream, significance, time), each row that is read is one that is shown.
- **A finder** collects through one index all rows that one of the filter's conditions allows, up to a cap
  (`finders`). Below the cap these are all there can be, so that the answer is exact.
- **A sample** of the table's blocks, read in the same statement, says which finder stays below its cap, if
  any does (`finding`). It is our own statistic, of this moment and this condition. A walk passes over few
  rows where a condition is frequent, a finder collects few where it is rare; the sample tells the two apart.
  Where it is wrong the bounds hold all the same.

What neither can reach is said: a page that ends before the list does knows where the search for more stopped
(`pages.Page.edge`), and a count that is a lower bound is called one (`counts.Count`).

The planner's choice is taken away by three means. A subquery with a LIMIT is planned by itself. The order of
each walked index belongs to it alone, so that no other index, and no sort, answers it at a comparable cost.
And values come from scalar subqueries or materialised CTEs, where the planner does not see them: it then
takes constant shares (a third of the rows for a comparison, 0.1 to 1 % for words, tags and JSON:
PostgreSQL's src/include/utils/selfuncs.h), and so plans by the table's size alone.
"""
