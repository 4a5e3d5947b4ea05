// In place of the theme's plugin for rows that are dragged into an order: no list of ours has such rows.
