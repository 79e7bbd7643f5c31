-- SPDX-License-Identifier: Apache-2.0
-- A database with everything that has to move besides rows.
CREATE DATABASE shop CHARACTER SET latin1 COLLATE latin1_german1_ci COMMENT 'the shop''s';
CREATE DATABASE other;
CREATE ROLE clerks;
CREATE USER shop@'%' IDENTIFIED BY 'geheim' WITH MAX_USER_CONNECTIONS 50;
CREATE USER shop@localhost IDENTIFIED BY 'geheim';
CREATE USER reader@localhost IDENTIFIED BY 'lesen';
CREATE USER gone@localhost IDENTIFIED BY 'weg' ACCOUNT LOCK;
CREATE USER watch@localhost IDENTIFIED BY 'schauen';
CREATE USER stranger@localhost IDENTIFIED BY 'fremd';
USE shop;
CREATE TABLE orders (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, note VARCHAR(99), host VARCHAR(60),
  at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), KEY by_note (note, at)) CHARACTER SET utf8mb4;
CREATE TABLE nokey (id BIGINT, t VARCHAR(9));
CREATE TABLE kinds (id INT PRIMARY KEY, n DECIMAL(9,2), f FLOAT, kind INT, CHECK (n < 1000), UNIQUE KEY (n));
INSERT INTO kinds VALUES (1, 0.10, 16777216, 1), (2, NULL, 0.1, NULL), (3, 3.33, -1, 2);
CREATE TABLE parent (id INT PRIMARY KEY) COMMENT 'has `children`';
CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1), (2);
INSERT INTO child VALUES (1, 1), (2, 2);
DELETE FROM parent WHERE id = 2;
SET foreign_key_checks = 0;
INSERT INTO child VALUES (9, 99);
SET foreign_key_checks = 1;
CREATE TABLE hourly (at DATETIME, v INT, KEY (at));
INSERT INTO hourly VALUES ('2024-01-01 00:10:00', 1), ('2024-01-01 01:59:59', 2), ('2024-01-01 05:00:00', 3), (NULL, 4);
CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 4711;
CREATE SEQUENCE numbers START WITH 100 INCREMENT BY 5 CACHE 10;
SELECT NEXTVAL(numbers);
CREATE TABLE log (what VARCHAR(99));
DELIMITER //
CREATE TRIGGER stamped AFTER INSERT ON kinds FOR EACH ROW BEGIN INSERT INTO log VALUES (CONCAT('kind ', NEW.id)); END//
CREATE DEFINER = shop@'%' FUNCTION twice (x INT) RETURNS INT DETERMINISTIC RETURN x * 2//
CREATE PROCEDURE many (IN n INT) SQL SECURITY INVOKER COMMENT 'ä' BEGIN SELECT n; END//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO INSERT INTO log VALUES ('night')//
DELIMITER ;
GRANT ALL PRIVILEGES ON shop.* TO shop@'%';
GRANT ALL PRIVILEGES ON `sho_`.* TO shop@localhost WITH GRANT OPTION;
CREATE VIEW dear AS SELECT id, twice(kind) AS k FROM kinds WHERE n > 1;
GRANT SELECT ON shop.dear TO reader@localhost;
GRANT SELECT (id), UPDATE (f) ON shop.kinds TO reader@localhost;
GRANT EXECUTE ON PROCEDURE shop.many TO reader@localhost;
GRANT SELECT ON other.* TO reader@localhost;
GRANT INSERT ON shop.log TO clerks;
GRANT clerks TO reader@localhost;
SET DEFAULT ROLE clerks FOR reader@localhost;
GRANT SELECT ON shop.* TO gone@localhost;
GRANT PROCESS, SLAVE MONITOR ON *.* TO watch@localhost;
GRANT ALL ON other.* TO stranger@localhost;
