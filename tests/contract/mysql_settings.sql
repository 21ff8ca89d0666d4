-- SPDX-License-Identifier: MIT
-- What a setting of a server could refuse, change or hide when it is read or made again: both servers.

set sql_mode = 'ALLOW_INVALID_DATES', foreign_key_checks = 0, innodb_strict_mode = 0, time_zone = '+00:00';
create table nokey (a int, b char(10), c varchar(20), d text) ; insert into nokey values (1, 'x  ', '', 'a\\b\'c"d'), (1, 'x  ', '', 'a\\b\'c"d'), (null, null, null, '%_\n');
create table zero (id int primary key auto_increment, d date, n int not null default 5); insert into zero (d, n) values ('0000-00-00', 0), ('2020-02-31', 1), ('2020-00-01', 2);
set sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'; insert into zero values (0, '2026-01-01', 7); set sql_mode = 'ALLOW_INVALID_DATES';
create table stamps (id int primary key, a timestamp not null default '0000-00-00 00:00:00', b timestamp null, c timestamp not null default current_timestamp on update current_timestamp);
insert into stamps values (1, '2001-02-03 04:05:06', null, '2038-01-19 03:14:07'), (2, '0000-00-00 00:00:00', '1970-01-01 00:00:01', '2020-06-07 08:09:10');
create table numbers (id bigint unsigned primary key, f float, d double, n decimal(20,10), g decimal(20,10) generated always as (n * 2) stored); insert into numbers (id, f, d, n) values (0, 0.1, 1e-300, 1.5), (18446744073709551615, -3.4e38, 1/3, -0.0000000001);
create table longkey (id int primary key, v varchar(500) character set utf8mb4, key v (v)); insert into longkey values (1, repeat('é', 500));
create table texts (id int primary key, l varchar(9) character set latin1, b varchar(9) collate utf8mb4_bin, u varchar(9) character set utf8mb4, unique key b (b)); insert into texts values (1, 'é', 'a', 'A'), (2, '', 'A', 'a ');
create table parent (id int primary key, k int, key k (k)); insert into parent values (1, 5), (2, 5);
create table child (id int primary key, p int, k int, key p (p), constraint c1 foreign key (p) references parent (id) on delete cascade, constraint c2 foreign key (id) references later (id)); insert into child values (1, 1, 5);
create table later (id int primary key); insert into later values (1);
create table options1 (id int primary key) row_format=dynamic stats_persistent=0 comment='it''s'; create table options2 (id int primary key, v int, key v (v)) row_format=compressed key_block_size=8; insert into options2 values (1, 2);
create table counted (id int primary key auto_increment, v int) auto_increment = 1000; insert into counted (v) values (1), (2);
set time_zone = '+03:00', sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT';
create view v as select id, c || 'x' as y from (select a as id, c from nokey) n where id is null or id > 0;
delimiter //
create function f (a int) returns int deterministic return a * 2 //
create procedure "p" (in a int) begin select a || 'x' as "q"; end //
create trigger t before insert on counted for each row begin set new.v = ifnull(new.v, 0) + 0; end //
create event e on schedule every 1 day starts '2030-01-01 00:00:00' disable do delete from later where id < 0 //
delimiter ;
