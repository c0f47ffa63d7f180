;; Does what the first two bytes of a record's value say, and keeps every other record as it is:
;;
;;   T!  traps (unreachable)                             fault, trap
;;   S!  recurses without end                            fault, trap
;;   E!  says that the whole call failed                 fault, trap: "the guest gives up"
;;   L!  loops without end                               fault, timeout
;;   M!  takes memory until it gets no more, then traps  fault, memory
;;   G!  garbage: values outside of the memory           fault, output
;;   H!  huge: 2,000,000 outputs of this record          fault, output
;;   R!  refuses the record                              reject, code "poison", message "the value says R!"
;;   K!  refuses the record as R! does, the first three times that an instance is shown one, and keeps it from then on
;;   D!  drops the record
;;
;; Memory: outputs at 1024; arrays of 64 KiB each from 64 KiB; the input buffer from 1 MiB. At most 8,192 records a batch.
(module
  (memory (export "memory") 17)
  (global $shown (mut i32) (i32.const 0))
  (data (i32.const 16) "poison")
  (data (i32.const 32) "the value says R!")
  (data (i32.const 64) "the guest gives up")
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.sub
      (i32.shr_u (i32.add (i32.add (i32.const 0x100000) (local.get $size)) (i32.const 0xffff)) (i32.const 16))
      (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const 0x100000))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))

  (func $recurse (param i32) (result i32)
    (i32.add (i32.const 1) (call $recurse (i32.add (local.get 0) (i32.const 1)))))
  (func $hog
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    unreachable)

  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
    (local $count i32) (local $i i32) (local $kept i32) (local $refused i32)
    (local $lengths i32) (local $data i32) (local $length i32) (local $letters i32) (local $at i32)
    (local.set $count (i32.load (local.get $batch)))
    (if (i32.gt_u (local.get $count) (i32.const 8192)) (then unreachable))
    (memory.fill (i32.const 1024) (i32.const 0) (i32.const 128))
    (local.set $lengths (i32.load offset=36 (local.get $batch)))
    (local.set $data (i32.load offset=40 (local.get $batch)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $count)))
        (local.set $length (i32.load (i32.add (local.get $lengths) (i32.shl (local.get $i) (i32.const 2)))))
        (local.set $letters (i32.const 0))
        (if (i32.ge_s (local.get $length) (i32.const 2))
          (then (local.set $letters (i32.load16_u (local.get $data)))))
        (if (i32.gt_s (local.get $length) (i32.const 0))
          (then (local.set $data (i32.add (local.get $data) (local.get $length)))))
        (if (i32.eq (local.get $letters) (i32.const 0x2154)) (then unreachable)) ;; T!
        (if (i32.eq (local.get $letters) (i32.const 0x2153)) (then (drop (call $recurse (i32.const 0))))) ;; S!
        (if (i32.eq (local.get $letters) (i32.const 0x214c)) (then (loop $ever (br $ever)))) ;; L!
        (if (i32.eq (local.get $letters) (i32.const 0x214d)) (then (call $hog))) ;; M!
        (if (i32.eq (local.get $letters) (i32.const 0x2145)) ;; E!
          (then
            (i32.store (i32.const 1144) (i32.const 64))
            (i32.store (i32.const 1148) (i32.const 18))))
        (if (i32.eq (local.get $letters) (i32.const 0x2147)) ;; G!
          (then
            (i32.store (i32.const 1048) (i32.const 0xfffffff8))
            (i32.store (i32.const 1052) (i32.const 0xfffffff8))
            (i32.store (i32.const 1056) (i32.const 0x7fffffff))))
        (if (i32.eq (local.get $letters) (i32.const 0x2148)) ;; H!
          (then
            (i32.store (i32.const 1024) (i32.const 2000000))
            (i32.store (i32.const 1028) (i32.const 0x10000))
            (return (i32.const 1024))))
        (if (i32.eq (local.get $letters) (i32.const 0x214b)) ;; K!
          (then
            (if (i32.lt_u (global.get $shown) (i32.const 3)) (then (local.set $letters (i32.const 0x2152))))
            (global.set $shown (i32.add (global.get $shown) (i32.const 1)))))
        (if (i32.eq (local.get $letters) (i32.const 0x2152)) ;; R!
          (then
            (local.set $at (i32.shl (local.get $refused) (i32.const 2)))
            (i32.store (i32.add (i32.const 0x20000) (local.get $at)) (local.get $i))
            (i32.store (i32.add (i32.const 0x30000) (local.get $at)) (i32.const 6))
            (memory.copy
              (i32.add (i32.const 0x40000) (i32.mul (local.get $refused) (i32.const 6))) (i32.const 16) (i32.const 6))
            (i32.store (i32.add (i32.const 0x50000) (local.get $at)) (i32.const 17))
            (memory.copy
              (i32.add (i32.const 0x60000) (i32.mul (local.get $refused) (i32.const 17))) (i32.const 32) (i32.const 17))
            (local.set $refused (i32.add (local.get $refused) (i32.const 1))))
          (else
            (if (i32.ne (local.get $letters) (i32.const 0x2144)) ;; D!
              (then
                (i32.store (i32.add (i32.const 0x10000) (i32.shl (local.get $kept) (i32.const 2))) (local.get $i))
                (local.set $kept (i32.add (local.get $kept) (i32.const 1)))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.store (i32.const 1024) (local.get $kept))
    (i32.store (i32.const 1028) (i32.const 0x10000))
    (i32.store (i32.const 1112) (local.get $refused))
    (i32.store (i32.const 1116) (i32.const 0x20000))
    (i32.store (i32.const 1120) (i32.const 0x30000))
    (i32.store (i32.const 1124) (i32.const 0x40000))
    (i32.store (i32.const 1128) (i32.mul (local.get $refused) (i32.const 6)))
    (i32.store (i32.const 1132) (i32.const 0x50000))
    (i32.store (i32.const 1136) (i32.const 0x60000))
    (i32.store (i32.const 1140) (i32.mul (local.get $refused) (i32.const 17)))
    (i32.const 1024)))
