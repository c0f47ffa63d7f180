;; Wants 65 MiB of memory from the start, more than limits.memory gives by default.
;; instantiate: "wanted 65.0 MiB of memory, limits.memory is 64.0 MiB; then …"
(module
  (memory (export "memory") 1040)
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (select (i32.const 0x10000) (i32.const 0) (i32.le_u (local.get $size) (i32.const 0xf0000))))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32) (i32.const 1024)))
