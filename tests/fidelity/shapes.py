# SPDX-License-Identifier: Apache-2.0
"""Databases of the shape of well-known data sets, made by SQL of our own: TPC-H's eight tables with their keys, and a rental
shop as sakila is one (views, triggers, routines, ENUM, SET, FULLTEXT, geometry, foreign keys both ways). None of their data or
text is in here; PostgreSQL's own pgbench fills a third one.
"""

TPCH = {
    "region": ("r_key INT PRIMARY KEY, r_name CHAR(25) NOT NULL, r_comment VARCHAR(152)", "{i}, CONCAT('region ', {i}), NULL", 5, ""),
    "nation": ("n_key INT PRIMARY KEY, n_name CHAR(25) NOT NULL, n_region INT NOT NULL REFERENCES region (r_key), n_comment VARCHAR(152)",
               "{i}, CONCAT('nation ', {i}), 1 + {i} % 5, MD5(CONCAT({i}, 'n'))", 25, "n_region"),
    "part": ("p_key INT PRIMARY KEY, p_name VARCHAR(55) NOT NULL, p_brand CHAR(10), p_size INT, p_price DECIMAL(15,2)",
             "{i}, CONCAT('part ', {i}), CONCAT('Brand#', {i} % 50), {i} % 50, 900 + {i} % 1000 / 10.0", 2000, ""),
    "supplier": ("s_key INT PRIMARY KEY, s_name CHAR(25), s_nation INT NOT NULL REFERENCES nation (n_key), s_balance DECIMAL(15,2)",
                 "{i}, CONCAT('Supplier#', {i}), 1 + {i} % 25, {i} * -7.25", 100, "s_nation"),
    "partsupp": ("ps_part INT NOT NULL REFERENCES part (p_key), ps_supplier INT NOT NULL REFERENCES supplier (s_key), ps_cost DECIMAL(15,2), "
                 "PRIMARY KEY (ps_part, ps_supplier)", "1 + {i} % 2000, 1 + {i} % 100, {i} / 10.0", 2000, "ps_supplier"),
    "customer": ("c_key INT PRIMARY KEY, c_name VARCHAR(25), c_nation INT NOT NULL REFERENCES nation (n_key), c_segment CHAR(10)",
                 "{i}, CONCAT('Customer#', {i}), 1 + {i} % 25, CONCAT('seg', {i} % 5)", 1500, "c_nation"),
    "orders": ("o_key INT PRIMARY KEY, o_customer INT NOT NULL REFERENCES customer (c_key), o_status CHAR(1), o_date DATE, o_total DECIMAL(15,2)",
               "{i}, 1 + {i} % 1500, CASE {i} % 3 WHEN 0 THEN 'O' WHEN 1 THEN 'F' ELSE 'P' END, {day}, {i} * 1.5", 15000, "o_date"),
    "lineitem": ("l_order INT NOT NULL REFERENCES orders (o_key), l_line INT NOT NULL, l_part INT, l_supplier INT, l_quantity DECIMAL(15,2), "
                 "l_flag CHAR(1), l_ship DATE, l_comment VARCHAR(44), PRIMARY KEY (l_order, l_line), FOREIGN KEY (l_part, l_supplier) REFERENCES "
                 "partsupp (ps_part, ps_supplier)", "1 + ({i} - 1) / 4 {div}, ({i} - 1) % 4 + 1, 1 + {i} % 2000, 1 + {i} % 100, {i} % 50, 'N', {day}, "
                 "MD5(CONCAT({i}, 'l'))", 60000, "l_ship"),
}


def tpch(engine):
    """The statements that make and fill it."""
    out = []
    for name, (columns, values, rows, index) in TPCH.items():
        if engine == "mariadb":
            values = values.format(i="seq", day="'1992-01-01' + INTERVAL seq % 2500 DAY", div="").replace("(seq - 1) / 4", "(seq - 1) DIV 4")
            source = f"seq_1_to_{rows}"
        else:
            values = values.format(i="i", day="DATE '1992-01-01' + i % 2500", div="")
            source = f"generate_series(1, {rows}) i"
        out.append(f"CREATE TABLE {name} ({columns});\nINSERT INTO {name} SELECT {values} FROM {source};")
        if index:
            out.append(f"CREATE INDEX {name}_{index} ON {name} ({index});")
    return "\n".join(out)


RENTAL = """
CREATE TABLE language (id TINYINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name CHAR(20) NOT NULL, last_update TIMESTAMP NOT NULL DEFAULT
  CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
CREATE TABLE film (id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, title VARCHAR(128) NOT NULL, description TEXT, year YEAR, language TINYINT UNSIGNED NOT NULL,
  rate DECIMAL(4,2) NOT NULL DEFAULT 4.99, rating ENUM('G','PG','PG-13','R','NC-17') DEFAULT 'G', features SET('Trailers','Commentaries','Deleted Scenes'),
  FOREIGN KEY (language) REFERENCES language (id) ON UPDATE CASCADE, KEY (title));
CREATE TABLE film_text (id SMALLINT UNSIGNED PRIMARY KEY, title VARCHAR(255), description TEXT, FULLTEXT KEY (title, description));
CREATE TABLE store (id TINYINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, manager TINYINT UNSIGNED NOT NULL UNIQUE, place GEOMETRY NOT NULL, SPATIAL KEY (place));
CREATE TABLE staff (id TINYINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(45), store TINYINT UNSIGNED NOT NULL, picture BLOB,
  FOREIGN KEY (store) REFERENCES store (id));
SET foreign_key_checks = 0;
ALTER TABLE store ADD FOREIGN KEY (manager) REFERENCES staff (id);
INSERT INTO language (name) VALUES ('one'), ('zwei'), ('trois');
DELIMITER //
CREATE TRIGGER film_added AFTER INSERT ON film FOR EACH ROW BEGIN INSERT INTO film_text VALUES (NEW.id, NEW.title, NEW.description); END//
CREATE FUNCTION in_stock (f INT) RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM film WHERE id = f)//
CREATE PROCEDURE report (IN least INT, OUT n INT) READS SQL DATA BEGIN SELECT COUNT(*) INTO n FROM film WHERE id > least; END//
DELIMITER ;
INSERT INTO film (title, description, year, language, rate, rating, features) SELECT CONCAT('FILM ', seq), MD5(seq), 1990 + seq % 40, 1 + seq % 3,
  seq % 9 + 0.99, 1 + seq % 5, seq % 8 FROM seq_1_to_1000;
INSERT INTO store (manager, place) VALUES (1, ST_GeomFromText('POINT(153.1 -27.6)', 0)), (2, POINT(-112.8, 49.7));
INSERT INTO staff (name, store, picture) VALUES ('Anna', 1, UNHEX('89504E470D0A1A0A00')), ('Jon', 2, NULL);
SET foreign_key_checks = 1;
CREATE VIEW film_list AS SELECT f.id, f.title, l.name AS language, in_stock(f.id) AS stock FROM film f JOIN language l ON l.id = f.language;
CREATE SQL SECURITY INVOKER VIEW dear AS SELECT * FROM film_list WHERE id > 500;
"""
