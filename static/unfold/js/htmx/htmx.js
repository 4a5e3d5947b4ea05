// In place of the theme's htmx, 51 KB that every page would load: find.js asks for what Ctrl+K finds.
