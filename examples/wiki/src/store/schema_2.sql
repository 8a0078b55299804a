-- Every name that leads to a page: its own, and those it had before. As its `key`, so that one name
-- in several spellings is one row.
CREATE TABLE names (
    key TEXT PRIMARY KEY,
    page INTEGER NOT NULL REFERENCES pages (id) DEFERRABLE INITIALLY DEFERRED
) WITHOUT ROWID;

-- The newest revision is what the page was deleted with.
ALTER TABLE pages ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;

-- Without the texts, which are in `revisions`, and with other words than theirs: see words.rs.
DROP TABLE search;
CREATE VIRTUAL TABLE search USING fts5 (
    name, text,
    content = '', contentless_delete = 1,
    tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    page INTEGER NOT NULL REFERENCES pages (id),
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The media type, if it is an image that runs nothing; else empty.
    image TEXT NOT NULL,
    size INTEGER NOT NULL,
    time INTEGER NOT NULL,
    author TEXT NOT NULL,
    -- The name of the file beside the database that has the content.
    place TEXT NOT NULL,
    removed INTEGER NOT NULL DEFAULT 0
);

-- One file of a name; any number that were removed.
CREATE UNIQUE INDEX files_by_name ON files (page, key) WHERE NOT removed;
CREATE INDEX files_of_page ON files (page);
