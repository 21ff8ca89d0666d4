-- SPDX-License-Identifier: MIT
-- Every type of column with what is hard on it, and a schema that is: both servers.

create table nums(id bigint not null primary key, a tinyint, b tinyint unsigned, c smallint, d mediumint, e int unsigned zerofill, f bigint unsigned, g decimal(65,30), h float, i double, j bit(1), k bit(64), l year, m float(7,3), n double(12,4), o boolean);
insert into nums values (-9223372036854775808,-128,255,-32768,8388607,42,18446744073709551615,12345678901234567890123456789012345.123456789012345678901234567890,3.4028234e38,1.7976931348623157e308,b'1',0xFFFFFFFFFFFFFFFF,1901,1.234,1.5,true),
(9223372036854775807,127,0,32767,-8388608,0,0,-0.000000000000000000000000000001,0.1,-2.2250738585072014e-308,b'0',1,2155,-1234.567,-99999999.9999,false),
(0,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null),(1,0,0,0,0,0,0,0,'-0','-0',0,0,0,0,0,0),(2,1,1,1,1,1,9223372036854775808,1e30,16777217,0.1,1,0x0102,2000,0.001,0.0001,1),(3,0,0,0,0,0,0,0,1.17549435e-38,5e-324,0,0,1999,0,0,0);
create table texts(id int auto_increment primary key, v varchar(200), t text, mt mediumtext, lt longtext, c char(20), l1 varchar(300) character set latin1, u16 varchar(100) character set utf16, sj varchar(100) character set sjis, cp varchar(100) character set cp932, e enum('a','b''c','ü','x,y'), s set('p','q','r;s','\\'), bi varchar(50) collate utf8mb4_bin) ;
insert into texts(v,t,mt,lt,c,l1,u16,sj,cp,e,s,bi) values ('a\nb\r\0\Z''"\\`;--/*x*/%_\t😀é',";\n-- torrust-backup: end\n",'','𝔘',' pad  ','éÿ€','😀x','表示','①','b''c','p,r;s','X'),(null,null,null,null,null,null,null,null,null,null,null,null),('','','','','','','','','',null,'','');
create table latin(id int primary key, l char(1) character set latin1, v varchar(3) character set latin1);
insert into latin with recursive n as (select 0 i union all select i + 1 from n where i < 255) select i, char(i using latin1), concat('x', char(i using latin1), 'y') from n;
create table bytes(id int primary key, b binary(20), vb varbinary(300), tb tinyblob, bl blob, lb longblob, g geometry, p point, ls linestring);
insert into bytes values (1,'abc',unhex('00ff0a0d1a275c22'),'',repeat('\0',1000),repeat(unhex('ff27'),70000),st_geomfromtext('POLYGON((0 0,1 0,1 1,0 0))'),point(1.5,-2),st_geomfromtext('LINESTRING(0 0,1 1)')),(2,null,null,null,null,null,null,null,null);
set sql_mode='ALLOW_INVALID_DATES';
create table times(id int primary key, d date, t time(6), dt datetime(6), ts timestamp(6) null, y year, t0 time, ts0 timestamp not null default current_timestamp on update current_timestamp);
set time_zone='+05:30';
insert into times values (1,'0000-00-00','-838:59:59.000000','0000-00-00 00:00:00','2038-01-19 03:14:07.999999',2026,'00:00:00','1990-01-01 00:00:01'),(2,'2020-02-31','838:59:58.999999','9999-12-31 23:59:59.999999',null,0,'-00:00:01','2026-03-29 02:30:00'),(3,'2020-00-10','0:0:0.000001','1000-01-01 00:00:00.000001','1970-01-02 00:00:00.000001',1970,'12:00:00',now());
set time_zone='+00:00', sql_mode='';
create table js(id int primary key, j json); insert into js values (1,'{"a":"\\n\\"x\\\\","b":[1,2.5,null,true],"ü":"😀"}'),(2,null),(3,'"s"'),(4,'null');
create table gen(id int auto_increment primary key, a int, `b;x` int generated always as (a*2) virtual, c varchar(50) generated always as (concat('x;',a)) stored, d int default 7, e varchar(30) default 'it''s; ok' comment 'hi; ''x'' \\ \n y', key kb(`b;x`), unique key uc(c), constraint `ck;1` check (a > -5 and e <> ';')) comment='tab; le''s';
insert into gen(a) values (1),(2),(3);
create table parent(id int primary key auto_increment, name varchar(40) not null, unique key name(name), key `odd``key, (x` (id,name)) auto_increment=1000; insert into parent(name) values ('x'),('y');
create table child(id int primary key, pid int, pname varchar(40), key pid(pid), constraint fk1 foreign key (pid) references parent(id) on delete cascade, constraint `fk``2` foreign key (pname) references parent(name)); insert into child values (1,1000,'x'),(2,null,null);
create table nokey(a int, b varchar(10)); insert into nokey values (1,'a'),(1,'a'),(2,null);
create table nopk(a int not null, b int, unique key ua(a), key kb(b)); insert into nopk values (1,2),(3,4);
create table ai2(a int not null, b int auto_increment, primary key(a,b), key kb(b), key ka(a)); insert into ai2(a) values (5),(6);
create table part(id int not null, v int, primary key(id), key kv(v)) partition by range (id) (partition p0 values less than (10), partition p1 values less than maxvalue); insert into part values (1,1),(100,2);
create table ft(id int primary key, t text, fulltext key ft(t), key kt(t(10))); insert into ft values (1,'hello world');
create table `odd ``table; (`(`col"x'` int primary key, `sel ect` varchar(10)); insert into `odd ``table; (` values (1,'v');
create table inv(id int primary key, h int invisible default 3); insert into inv(id,h) values (1,9);
create table nobody(id int primary key);
create table u64(id bigint unsigned primary key, v int); insert into u64 values (0,0),(18446744073709551615,1),(9223372036854775808,2);
create view v2 as select a, count(*) as `n;` from gen group by a;
create view v1 as select v2.a, 'lit;é' as l from v2 join gen on gen.a=v2.a;
create view `a_first` as select * from v1;
delimiter //
create function f1(x int) returns int deterministic begin declare y int; set y = x+1; return y; -- end;
end//
create procedure p1(in a int) begin select ';;' , '$1$'; select 'é'; end//
create trigger t1 before insert on gen for each row begin set new.d = new.d + 1; end//
create trigger t2 before insert on gen for each row follows t1 set new.d = new.d * 2//
create trigger t0 before insert on gen for each row precedes t1 set new.d = ifnull(new.d,0)//
create event ev on schedule every 1 day starts '2030-01-01 00:00:00' do begin delete from nobody; end//
delimiter ;
