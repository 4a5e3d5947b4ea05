// In place of the theme's Chart.js, 200 KB that every page would load: our charts are drawn without scripts.
