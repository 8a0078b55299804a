from django.contrib import admin
from django.contrib.auth import views as auth
from django.contrib.staticfiles.views import serve
from django.urls import path

from shop import views

urlpatterns = [
    path("", views.index, name="index"),
    path("feedback/", views.feedback, name="feedback"),
    path("stock/", views.upload_stock, name="stock"),
    path("orders.csv", views.orders, name="orders"),
    path("boom/", views.boom, name="boom"),
    # The two that are asked for all day: step 4 and step 5 take them over.
    path("api/shipping", views.shipping, name="shipping"),
    path("barcode/<slug:code>.svg", views.barcode, name="barcode"),
    path("accounts/login/", auth.LoginView.as_view(), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    # Until step 2.
    path("static/<path:path>", serve, {"insecure": True}),
]
