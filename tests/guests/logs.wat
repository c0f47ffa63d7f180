;; Logs "hello from the guest" at every level, then at an address outside of its memory when the batch has two records.
;; fault, output: "log: 16 bytes at 4294967280 end outside of the memory"
(module
  (import "edgemill:transform/log@1.0.0" "log" (func $log (param i32 i32 i32)))
  (data (i32.const 16) "hello from the guest")
  (memory (export "memory") 16)
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (select (i32.const 0x10000) (i32.const 0) (i32.le_u (local.get $size) (i32.const 0xf0000))))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
    (call $log (i32.const 0) (i32.const 16) (i32.const 20))
    (call $log (i32.const 1) (i32.const 16) (i32.const 20))
    (call $log (i32.const 2) (i32.const 16) (i32.const 20))
    (call $log (i32.const 3) (i32.const 16) (i32.const 20))
    (call $log (i32.const 4) (i32.const 16) (i32.const 20))
    (if (i32.eq (i32.load (local.get $batch)) (i32.const 2))
      (then (call $log (i32.const 2) (i32.const -16) (i32.const 16))))
    (if (i32.eq (i32.load (local.get $batch)) (i32.const 3)) (then unreachable))
    (i32.const 1024)))
