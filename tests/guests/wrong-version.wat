;; Speaks a later version of the contract.
;; version: "speaks contract 2.0.0; this host speaks 1.0.0"
(module
  (memory (export "memory") 16)
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (select (i32.const 0x10000) (i32.const 0) (i32.le_u (local.get $size) (i32.const 0xf0000))))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_2_0_0") (param $batch i32) (result i32) (i32.const 1024)))
