;; Its edgemill_alloc gives back an address that is no multiple of 8.
;; configure: "edgemill_alloc: the address 65540 is no multiple of 8"
(module
  (memory (export "memory") 16)
  (func (export "edgemill_alloc") (param i32) (result i32) (i32.const 0x10004))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32) (i32.const 1024)))
