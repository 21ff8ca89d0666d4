-- SPDX-License-Identifier: MIT
set check_constraint_checks = 0;
create table checked (id int primary key, constraint ck check (id > 5)); insert into checked values (1);
create table versioned (id int primary key, v int, key v (v)) with system versioning; insert into versioned values (1, 2);
create sequence s start with 5 increment by 3; do nextval(s);
