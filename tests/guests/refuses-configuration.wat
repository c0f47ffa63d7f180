;; Refuses whatever configuration it is given.
;; configure: "unknown key colour; known are size, shape"
(module
  (data (i32.const 16) "\20\00\00\00\29\00\00\00")
  (data (i32.const 32) "unknown key colour; known are size, shape")
  (memory (export "memory") 16)
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (select (i32.const 0x10000) (i32.const 0) (i32.le_u (local.get $size) (i32.const 0xf0000))))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 16))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32) (i32.const 1024)))
