;; Its edgemill_alloc takes 64 bits.
;; version: "the export edgemill_alloc must be a function (i32) -> i32"
(module
  (memory (export "memory") 16)
  (func (export "edgemill_alloc") (param i64) (result i32) (i32.const 0x10000))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32) (i32.const 1024)))
