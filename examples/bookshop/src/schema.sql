BEGIN;
CREATE TABLE books (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- so that no basket holds a later book
    title TEXT NOT NULL,
    author TEXT NOT NULL,
    year INTEGER NOT NULL,
    cents INTEGER NOT NULL,
    stock INTEGER NOT NULL,
    cover BLOB
);
INSERT INTO books (title, author, year, cents, stock) VALUES
    ('Moby-Dick', 'Herman Melville', 1851, 1250, 3),
    ('Middlemarch', 'George Eliot', 1871, 1400, 5),
    ('The Time Machine', 'H. G. Wells', 1895, 790, 0),
    ('Pride and Prejudice', 'Jane Austen', 1813, 980, 12),
    ('坊っちゃん', '夏目漱石', 1906, 850, 2);
PRAGMA user_version = 1;
COMMIT;
