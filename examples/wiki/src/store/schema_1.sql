CREATE TABLE pages (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- The newest one.
    revision INTEGER NOT NULL REFERENCES revisions (id) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX pages_in_order ON pages (name COLLATE NOCASE, name);

CREATE TABLE revisions (
    -- Over all pages, in the order of their commits.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    page INTEGER NOT NULL REFERENCES pages (id) DEFERRABLE INITIALLY DEFERRED,
    -- Within the page, from 1.
    number INTEGER NOT NULL,
    -- Seconds since 1970.
    time INTEGER NOT NULL,
    author TEXT NOT NULL,
    comment TEXT NOT NULL,
    -- Bytes of the text. It stands before the text, so that lists never read the text.
    size INTEGER NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (page, number)
);

CREATE VIEW current AS
    SELECT pages.id, pages.name, revisions.text
    FROM pages JOIN revisions ON revisions.id = pages.revision;

-- The index alone: the texts stay where they are.
CREATE VIRTUAL TABLE search USING fts5 (
    name, text,
    content = 'current', content_rowid = 'id',
    tokenize = 'unicode61 remove_diacritics 2'
);
