;; Loops without end when an instance is made.
;; instantiate: "starting took longer than 1s"
(module
  (start $start)
  (func $start (loop $ever (br $ever)))
  (memory (export "memory") 16)
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (select (i32.const 0x10000) (i32.const 0) (i32.le_u (local.get $size) (i32.const 0xf0000))))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32) (i32.const 1024)))
