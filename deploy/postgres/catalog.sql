-- The catalog keeps its pointers beside the lake's own database.
CREATE DATABASE catalog;
