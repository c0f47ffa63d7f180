;; A well-behaved guest: keeps every record and gives it one header, `version`, in place of all it had.
;; The header's value is the four bytes in the data segment marked VERSION: a test replaces "0001" by its own before
;; assembling, and so makes as many versions of one module as it likes.
;; Memory: outputs at 1024; arrays of 64 KiB each from 64 KiB; the input buffer from 1 MiB. At most 8,192 records a batch.
(module
  (memory (export "memory") 17)
  (data (i32.const 16) "version")
  (data (i32.const 32) "0001") ;; VERSION
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.sub
      (i32.shr_u (i32.add (i32.add (i32.const 0x100000) (local.get $size)) (i32.const 0xffff)) (i32.const 16))
      (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const 0x100000))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
    (local $count i32) (local $i i32) (local $i4 i32)
    (local.set $count (i32.load (local.get $batch)))
    (if (i32.gt_u (local.get $count) (i32.const 8192)) (then unreachable))
    (i32.store (i32.const 1024) (local.get $count))
    (i32.store (i32.const 1028) (i32.const 0x10000)) ;; origins
    (i32.store (i32.const 1060) (i32.const 0x20000)) ;; header_counts
    (i32.store (i32.const 1064) (local.get $count))  ;; header_total
    (i32.store (i32.const 1068) (i32.const 0x30000)) ;; header_names: lengths, data, size
    (i32.store (i32.const 1072) (i32.const 0x40000))
    (i32.store (i32.const 1076) (i32.mul (local.get $count) (i32.const 7)))
    (i32.store (i32.const 1080) (i32.const 0x50000)) ;; header_values: lengths, data, size
    (i32.store (i32.const 1084) (i32.const 0x60000))
    (i32.store (i32.const 1088) (i32.mul (local.get $count) (i32.const 4)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $count)))
        (local.set $i4 (i32.shl (local.get $i) (i32.const 2)))
        (i32.store (i32.add (i32.const 0x10000) (local.get $i4)) (local.get $i))
        (i32.store (i32.add (i32.const 0x20000) (local.get $i4)) (i32.const 1))
        (i32.store (i32.add (i32.const 0x30000) (local.get $i4)) (i32.const 7))
        (memory.copy
          (i32.add (i32.const 0x40000) (i32.mul (local.get $i) (i32.const 7))) (i32.const 16) (i32.const 7))
        (i32.store (i32.add (i32.const 0x50000) (local.get $i4)) (i32.const 4))
        (i32.store (i32.add (i32.const 0x60000) (local.get $i4)) (i32.load (i32.const 32)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.const 1024)))
